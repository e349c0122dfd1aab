using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Measures a merged draft on rows, see <see cref="MergeMoments"/>.</summary>
internal static class MergeMeasurement
{
    public static MergeMoments Run(
        IHostEnvironment environment, IDataView data, string inputColumnName, Network draft, Network network,
        RowOptions rows)
    {
        rows.Check(readsLabels: false);
        MergeMoments.Check(draft, network);
        var host = environment.Register("MeasureForMerge");
        using var modes = new TorchModes(threads: rows.Threads);
        var device = CatalogEnvironment.Device(environment, rows.GpuDeviceId, rows.FallbackToCpu);
        using var read = MergeRows.Read(rows, draft, data, inputColumnName, TrainingHost.Seed(host, rows.Seed));
        using var placed = draft.To(device);
        return MergeMoments.Measure(placed, network, read.Images, rows.CancellationToken);
    }
}
