using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks;

// Torch and ONNX Runtime use all cores themselves; tests that count live tensors must not run beside others.
[assembly: DoNotParallelize]

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>What holds for all tests of the assembly.</summary>
[TestClass]
public static class AssemblySettings
{
    /// <summary>
    /// The library comes before the first tensor of any test: what it asks of native code is read when that is loaded.
    /// </summary>
    [AssemblyInitialize]
    public static void LoadTheLibrary(TestContext context) =>
        RuntimeHelpers.RunModuleConstructor(typeof(Network).Module.ModuleHandle);
}
