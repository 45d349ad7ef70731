import fc from 'fast-check';
import { judgeOutbound, parseOutboundAllow } from '../../core/outbound.ts';

const nothing = parseOutboundAllow([]);
const judge = (address: string, allow = nothing, host = 'example.org') => judgeOutbound({ host, address }, allow).allowed;

describe('outbound verdict', () => {
  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '198.18.0.1',
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
    '192.0.2.1',
    '192.0.0.8',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:a00:1::1',
    '2001:0:0:0:0:0:80ff:fffe',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00::8',
    'fec0::1',
    'ff02::1',
    '2001:db8::1',
    '::7f00:1',
    '100::1',
    '4000::1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '',
  ])('refuses %s', (address) => expect(judge(address)).toBe(false));

  test.each(['1.1.1.1', '93.184.216.34', '[2606:4700::1111]', '2606:4700::1111', '64:ff9b::101:101', '::ffff:1.1.1.1'])(
    'allows %s',
    (address) => expect(judge(address)).toBe(true),
  );

  test('the reason names the address, what it hides and its range', () => {
    expect(judgeOutbound({ host: 'x', address: '::ffff:10.0.0.1' }, nothing)).toEqual({
      allowed: false,
      reason: 'address ::ffff:a00:1 (10.0.0.1 inside) is private, not public',
    });
  });

  test('the list allows networks, single addresses and hosts, and nothing beside them', () => {
    const allow = parseOutboundAllow(['10.0.0.0/8', '127.0.0.1', 'fd00::/8', 'Intranet.Example']);
    expect(['10.2.3.4', '::ffff:10.2.3.4', '127.0.0.1', 'fd12::1'].every((address) => judge(address, allow))).toBe(true);
    expect(['127.0.0.2', '192.168.0.1', '::1', 'fe80::1'].some((address) => judge(address, allow))).toBe(false);
    expect(judge('192.168.0.1', allow, 'intranet.example.')).toBe(true);
    expect(judge('192.168.0.1', allow, 'other.intranet.example')).toBe(false);
  });

  test.each(['10.0.0.0/33', 'http://x', 'a b', '*', '1.2.3', ''])('the list refuses the entry %j', (entry) => {
    expect(() => parseOutboundAllow([entry])).toThrow(/expected a CIDR, an address or a host name/);
  });

  test('a private IPv4 address is refused in every disguise', () => {
    const octet = fc.nat(255);
    const privates = fc.oneof(
      fc.tuple(fc.constant(10), octet, octet, octet),
      fc.tuple(fc.constant(127), octet, octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
    );
    fc.assert(
      fc.property(privates, ([a, b, c, d]) => {
        const hex = [(a << 8) | b, (c << 8) | d].map((part) => part.toString(16)).join(':');
        const forms = [`${a}.${b}.${c}.${d}`, `::ffff:${hex}`, `::${hex}`, `64:ff9b::${hex}`, `2002:${hex}::1`, `::ffff:0:${hex}`];
        expect(forms.filter((form) => judge(form))).toEqual([]);
      }),
    );
  });
});
