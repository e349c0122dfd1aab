namespace Microsoft.ML.Hdrq.Networks;

internal static class TorchRuntime
{
    public static void EnsureLoaded()
    {
    }
}
