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
