/** Why the demo ends before its end, in words for who runs it, and the exit code that says so to a script. */
export class Complaint extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message)
  }
}
