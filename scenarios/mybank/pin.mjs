/**
 * PINs are masked in the recording, as they must be. Shadow customers have one of their own (set when the shadow tables were seeded), which takes the
 * masked one's place.
 */
export default function setPin(request) {
  if (request.body === undefined || !request.url.startsWith('/login')) return request;
  const body = JSON.parse(Buffer.from(request.body).toString('utf8'));
  return { ...request, body: Buffer.from(JSON.stringify({ ...body, pin: '9999' })) };
}
