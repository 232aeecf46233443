/** What people put there themselves must not be guessed either. */
export const MIN_TOKEN_CHARACTERS = 32;

/** Can `text` be the operator token? The characters of a bearer token (RFC 6750, 2.1), and enough of them. */
export function isOperatorToken(text: string): boolean {
  return text.length >= MIN_TOKEN_CHARACTERS && /^[A-Za-z0-9\-._~+/]+=*$/.test(text);
}
