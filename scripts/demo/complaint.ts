/** Why the demo ends early: a message for its user, and an exit code for scripts. */
export class Complaint extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message)
  }
}
