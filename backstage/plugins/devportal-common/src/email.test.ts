import { isOneEmail } from './email';

it.each(['toys@example.com', "o'neil+toys@a-b.example", 'jürgen@müller.de'])(
  'is one e-mail address: %s',
  text => {
    expect(isOneEmail(text)).toBe(true);
  },
);

it.each([
  'a@b?bcc=c@d',
  'a@b&x=y',
  'a,b@c',
  'a@b,c',
  'a;b@c',
  'a@b c',
  'a@b\nBcc: c@d',
  'a%0Abcc@b',
  'a#b@c',
  '\u202ea@b',
  '@b',
  'a@',
  'a@b@c',
  'toys',
  '',
])('is not plainly one e-mail address: %j', text => {
  expect(isOneEmail(text)).toBe(false);
});
