using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Holds the activations of the calibration images at one place of the network, a row for each image, in memory or in a
/// file.
/// </summary>
internal sealed class ActivationCache : IDisposable
{
    private readonly Action<ActivationCache>? _disposed;
    private readonly SpillFile? _file;

    private ActivationCache(
        torch.Tensor? memory, SpillFile? file, long count, long[] rowShape, Action<ActivationCache>? disposed)
    {
        (Memory, _file, Count, RowShape, _disposed) = (memory, file, count, rowShape, disposed);
    }

    /// <summary>The number of rows.</summary>
    public long Count { get; }

    /// <summary>The shape of a row.</summary>
    public long[] RowShape { get; }

    /// <summary>All rows, [rows, ...]; null if they are in a file.</summary>
    public torch.Tensor? Memory { get; }

    /// <summary>Whether only the shape is known.</summary>
    public bool HasOnlyShape { get; private init; }

    /// <summary>The size of all rows in bytes.</summary>
    public long Size => Count * RowShape.Aggregate(sizeof(float), (long size, long length) => size * length);

    /// <summary>Wraps the rows of a tensor, which the caller still owns.</summary>
    public static ActivationCache Of(torch.Tensor rows) =>
        new(rows.alias(), null, rows.shape[0], rows.shape[1..], null);

    /// <summary>Makes rows that have only a shape and take no memory.</summary>
    public static ActivationCache ShapeOf(long count, long[] rowShape)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.zeros(1).expand([count, .. rowShape]).DetachFromDisposeScope();
        return new(rows, null, count, rowShape, null) { HasOnlyShape = true };
    }

    /// <summary>Makes room for rows that are still to be written.</summary>
    /// <param name="count">The number of rows.</param>
    /// <param name="rowShape">The shape of a row.</param>
    /// <param name="device">The device that holds them; null for a file.</param>
    /// <param name="isPinned">Whether host memory is pinned, so that a GPU can fetch rows from it by itself.</param>
    /// <param name="directory">The folder for files.</param>
    /// <param name="disposed">Called when the rows are disposed.</param>
    public static ActivationCache Create(
        long count, long[] rowShape, torch.Device? device, bool isPinned, string directory,
        Action<ActivationCache> disposed) =>
        new(
            device is null ? null : Allocate([count, .. rowShape], device, isPinned),
            device is null ? new SpillFile(directory) : null,
            count,
            rowShape,
            disposed);

    /// <summary>Writes rows from a row index on.</summary>
    public void Write(long start, torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        if (Memory is not null)
        {
            Memory.narrow(0, start, rows.shape[0]).copy_(rows);
            return;
        }
        var host = rows.cpu().contiguous();
        for (long i = 0; i < host.shape[0]; i++)
            _file!.Write((start + i) * (Size / Count), host[i].bytes);
    }

    /// <summary>Reads consecutive rows.</summary>
    public torch.Tensor Read(long start, long count)
    {
        if (Memory is not null)
            return Memory.narrow(0, start, count);
        var rows = torch.empty([count, .. RowShape], torch.ScalarType.Float32);
        Read([.. Enumerable.Range(0, (int)count).Select(i => start + i)], rows);
        return rows;
    }

    /// <summary>Reads rows from the file.</summary>
    /// <param name="indices">The indices of the rows.</param>
    /// <param name="rows">The tensor to fill, in host memory.</param>
    public void Read(long[] indices, torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        for (var i = 0; i < indices.Length; i++)
            _file!.Read(indices[i] * (Size / Count), rows[i].bytes);
    }

    public void Dispose()
    {
        Memory?.Dispose();
        _file?.Dispose();
        _disposed?.Invoke(this);
    }

    private static torch.Tensor Allocate(long[] shape, torch.Device device, bool isPinned)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.empty(shape, torch.ScalarType.Float32, device);
        try
        {
            return (isPinned ? rows.pin_memory() : rows).DetachFromDisposeScope();
        }
        catch (ExternalException)
        {
            // The system does not pin as much; a GPU then reads it more slowly.
            return rows.DetachFromDisposeScope();
        }
    }
}
