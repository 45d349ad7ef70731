import { noDelivery } from '../../../commands/retry-delivery.ts';
import { findDelivery } from '../../../entities/notice.queries.ts';
import { Delivery } from '../../../schemas/notice.ts';
import { defineRoute } from '../../define-route.ts';
import { DeliveryPath } from '../paths.ts';
import { scopeOf } from '../scope.ts';

export const getDeliveryRoute = defineRoute({
  id: 'getDelivery',
  method: 'get',
  path: '/deliveries/{id}',
  summary: 'Get a webhook or mail with its state',
  tags: ['notifications'],
  rights: 'user',
  params: DeliveryPath,
  response: { status: 200, schema: Delivery },
  handle: async ({ params }, ctx) => {
    const delivery = await findDelivery(ctx.em, params.id, scopeOf(ctx.actor));
    if (!delivery) throw noDelivery(params.id);
    return delivery;
  },
});
