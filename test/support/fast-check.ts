/** fast-check, made to print what failed beside the counterexample. */
import fc from 'fast-check'

fc.configureGlobal({ includeErrorInReport: true })

export default fc
