using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// Turns the telemetry of ONNX Runtime off: its packages look up a host of Microsoft's and write an identifier of the
/// device below the user's cache folder. Whoever wants it sets <c>ORT_DISABLE_TELEMETRY=0</c>.
/// </summary>
internal static class RuntimeTelemetry
{
    // ONNX Runtime reads it once, when its environment is made, in which sessions of others than this library may
    // already be. Its function to disable telemetry needs that environment, and comes too late.
    [ModuleInitializer]
    [SuppressMessage(
        "Usage", "CA2255", Justification = "The first session of the process may be the application's own.")]
    internal static void Disable() => NativeEnvironment.Default("ORT_DISABLE_TELEMETRY", "1");
}
