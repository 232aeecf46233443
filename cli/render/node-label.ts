/** A node as people call it: by its name, or by its id where the name shows nothing. */
export function nodeLabel(name: string, id: string): string {
  return name.trim() === '' ? id : name;
}
