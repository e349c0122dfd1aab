using Microsoft.ML.Hdrq.Tool;
using Microsoft.ML.Hdrq.Tool.Terminal;

// Not disposed: a signal that comes when the end is said already would make it another exit code.
var cancellation = Cancellation.OfProcess();
var exitCode = Application.Run(args, Streams.OfProcess(), cancellation);
Cancellation.Leave(exitCode);
GC.KeepAlive(cancellation);
return exitCode;
