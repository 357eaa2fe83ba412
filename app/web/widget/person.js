/** Who is to sign in, as the component's attributes and the page say. */

/** The `account` for a session; null while it is not known. */
export function whoSignsIn(element, password) {
  const way = element.getAttribute('sign-in') ?? (element.hasAttribute('token') ? 'token' : 'visitor');
  if (way === 'password') return password && { ...password };
  if (way === 'guest') return { visitor: true, guest: true };
  if (way !== 'token') return { visitor: true };
  const { getToken } = element;
  if (getToken) return { getToken };
  const token = element.getAttribute('token');
  return token && { token };
}

/** When a JSON Web Token expires, in ms; NaN where it does not say. It is not verified: the server does that. */
export function expiryOf(token) {
  try {
    const payload = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return Number(JSON.parse(atob(payload)).exp) * 1000;
  } catch {
    return NaN;
  }
}
