import { retryDelivery } from '../../../commands/retry-delivery.ts';
import { Delivery } from '../../../schemas/notice.ts';
import { defineRoute } from '../../define-route.ts';
import { DeliveryPath } from '../paths.ts';

export const retryDeliveryRoute = defineRoute({
  id: 'retryDelivery',
  method: 'post',
  path: '/deliveries/{id}/retry',
  summary: 'Send a delivery that was given up again, under the same id',
  tags: ['notifications'],
  rights: 'user',
  params: DeliveryPath,
  response: { status: 200, schema: Delivery },
  handle: async ({ params }, ctx) => await retryDelivery(ctx, params.id),
});
