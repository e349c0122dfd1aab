using System.Runtime.InteropServices;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>
/// Ctrl+C and SIGTERM: the first asks the work to end, and the process waits for it however long that takes; a second
/// ends the process at once.
/// </summary>
/// <remarks>
/// A process that returns from its main method, or exits, while another thread is still inside of libtorch, ONNX
/// Runtime or Skia runs their static destructors beside that thread, which ends in heap corruption. So the work is
/// always waited for, and the process leaves by <see cref="Leave"/>, which runs no destructors: threads that read ahead
/// for ML.NET may still be decoding an image where work was cancelled.
/// </remarks>
internal sealed partial class Cancellation : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _exitCode;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The exit code of the signal that came; null where none did.</summary>
    public int? ExitCode => Volatile.Read(ref _exitCode) is not 0 and var code ? code : null;

    /// <summary>Listens to the signals of this process.</summary>
    public static Cancellation OfProcess()
    {
        var cancellation = new Cancellation();
        cancellation.Listen(PosixSignal.SIGINT, Terminal.ExitCode.Interrupted);
        cancellation.Listen(PosixSignal.SIGTERM, Terminal.ExitCode.Terminated);
        return cancellation;
    }

    /// <summary>As if a signal had come.</summary>
    public void Cancel(int exitCode)
    {
        if (Interlocked.CompareExchange(ref _exitCode, exitCode, 0) == 0)
            _source.Cancel();
        else
            Leave(Terminal.ExitCode.Killed);
    }

    /// <summary>Ends the process without running destructors of native libraries.</summary>
    public static void Leave(int exitCode)
    {
        Console.Out.Flush();
        Console.Error.Flush();
        if (OperatingSystem.IsWindows())
        {
            Environment.Exit(exitCode);
            return;
        }
        DeleteDiagnosticPorts();
        ExitWithoutDestructors(exitCode);
    }

    public void Dispose()
    {
        _registrations.ForEach(registration => registration.Dispose());
        _source.Dispose();
    }

    /// <summary>
    /// Deletes the files on which .NET listens to debuggers and dotnet-trace, as it does itself where it ends a process:
    /// https://learn.microsoft.com/dotnet/core/diagnostics/diagnostic-port names them.
    /// </summary>
    private static void DeleteDiagnosticPorts()
    {
        try
        {
            foreach (var stem in (ReadOnlySpan<string>)["dotnet-diagnostic", "clr-debug-pipe"])
            {
                foreach (var port in Directory.GetFiles(Path.GetTempPath(), $"{stem}-{Environment.ProcessId}-*"))
                    File.Delete(port);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // They stay behind, as if the process had been killed.
        }
    }

    private void Listen(PosixSignal signal, int exitCode) =>
        _registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        Cancel(exitCode);
    }));

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void ExitWithoutDestructors(int exitCode);
}
