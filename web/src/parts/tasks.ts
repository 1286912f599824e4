// What do a network's outputs mean to a reader?

/** Whether each picture is exactly one of the classes. */
export function saysOneClass(task: string): boolean {
  return task === 'classify' || task === 'binary';
}
