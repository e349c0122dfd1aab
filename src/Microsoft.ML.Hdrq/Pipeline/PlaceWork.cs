using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>What one place does with a merged draft, on its own rows.</summary>
internal static class PlaceWork
{
    /// <summary>Measures a draft, see <see cref="MergeMoments"/>.</summary>
    public static MergeMoments Measure(
        IHostEnvironment environment, IDataView data, string inputColumnName, Network draft, Network network,
        RowOptions rows)
    {
        MergeMoments.Check(draft, network);
        return Run(environment, data, inputColumnName, draft, rows, "MeasureForMerge", (placed, images, _) =>
            MergeMoments.Measure(placed, network, images, rows.CancellationToken));
    }

    /// <summary>Trains a draft, see <see cref="NetworkMerger.DistillAtPlace"/>.</summary>
    public static Network Distill(
        IHostEnvironment environment, IDataView data, string inputColumnName, Network draft, Network network,
        DistillationOptions options, bool keepMoments, RowOptions rows)
    {
        options.Check();
        NetworkMerger.CheckTurn(draft, network);
        return Run(environment, data, inputColumnName, draft, rows, "DistillAtPlace", (placed, images, seed) =>
        {
            using var trained = NetworkMerger.DistillAtPlace(
                placed, network, images, options, keepMoments, seed, rows.CancellationToken);
            return trained.To(torch.CPU);
        });
    }

    private static T Run<T>(
        IHostEnvironment environment, IDataView data, string inputColumnName, Network draft, RowOptions rows,
        string name, Func<Network, torch.Tensor, int, T> work)
    {
        rows.Check(readsLabels: false);
        var seed = TrainingHost.Seed(environment.Register(name), rows.Seed);
        using var modes = new TorchModes(threads: rows.Threads);
        var device = CatalogEnvironment.Device(environment, rows.GpuDeviceId, rows.FallbackToCpu);
        using var read = MergeRows.Read(rows, draft, data, inputColumnName, seed);
        using var placed = draft.To(device);
        return work(placed, read.Images, seed);
    }
}
