using Microsoft.ML.Hdrq.Tool;
using Microsoft.ML.Hdrq.Tool.Terminal;

using var cancellation = Cancellation.OfProcess();
var exitCode = Application.Run(args, Streams.OfProcess(), cancellation);
if (cancellation.ExitCode is not null)
    Cancellation.Leave(exitCode);
return exitCode;
