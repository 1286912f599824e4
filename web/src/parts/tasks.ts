// What do a network's outputs mean to a reader?

/** Whether each picture is exactly one of the classes. */
export function saysOneClass(task: string): boolean {
  return task === 'classify' || task === 'binary';
}

/** What one output is called: a class, a label of several that a picture may have, or a number. */
export function outputNoun(task: string): 'class' | 'label' | 'output' {
  return saysOneClass(task) ? 'class' : task === 'multilabel' ? 'label' : 'output';
}

/** What all outputs are called. */
export function outputNouns(task: string): string {
  return saysOneClass(task) ? 'classes' : `${outputNoun(task)}s`;
}
