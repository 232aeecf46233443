/** Does a `user[:group]` of Config.User mean root? Empty, `root`, and 0 in any spelling: `00`, `+0`. */
export function isRootUser(user: string): boolean {
  const name = user.split(':', 1)[0] ?? '';
  return name === '' || name === 'root' || /^\+?0+$/.test(name);
}
