using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>Counts the tensors that are alive on this thread.</summary>
internal static class LiveTensors
{
    public static void AssertUnchanged(Action action)
    {
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        action();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount,
            "Tensors are left over, or too many were disposed.");
    }
}
