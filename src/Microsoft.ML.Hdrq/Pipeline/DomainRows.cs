using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Reads the rows of one domain into tensors, for training and calibration.</summary>
/// <param name="Images">The inputs, [rows, ...], in host memory.</param>
/// <param name="Labels">
/// The zero-based classes, [rows], or the masks, [rows, height, width]; null if no labels were requested.
/// </param>
internal sealed record DomainRows(torch.Tensor Images, torch.Tensor? Labels) : IDisposable
{
    /// <summary>Reads rows.</summary>
    /// <param name="data">The data.</param>
    /// <param name="inputColumnName">The network's input.</param>
    /// <param name="rowShape">The shape of the input without the batch.</param>
    /// <param name="label">The classes or masks; null to read none. Rows without a label are skipped.</param>
    /// <param name="domainColumnName">
    /// The column with the domain of each row, text or a key with text values; null to read all rows.
    /// </param>
    /// <param name="domain">The domain to read.</param>
    /// <param name="sample">The sample of rows to read; null for all rows.</param>
    /// <param name="cancellationToken">Cancels reading between two rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, or a row cannot be read, has another size or a value that is not finite, or is of a class
    /// that the network does not have; the message names the column.
    /// </exception>
    public static DomainRows Read(
        IDataView data, string inputColumnName, long[] rowShape, LabelColumn? label, string? domainColumnName,
        string? domain, RowSample? sample, CancellationToken cancellationToken)
    {
        var input = InputColumn.Find(data.Schema, inputColumnName);
        var labelColumn = label is null ? (DataViewSchema.Column?)null : InputColumn.Find(data.Schema, label.Name);
        var domainColumn = domainColumnName is null
            ? (DataViewSchema.Column?)null
            : InputColumn.Find(data.Schema, domainColumnName);
        long[] cropShape = sample?.CropSize is { } crop && rowShape is [var channels, var height, var width]
            ? [channels, Math.Min(height, crop), Math.Min(width, crop)]
            : rowShape;
        var size = checked((int)TensorShape.ElementCount(rowShape)!.Value);
        var rows = new List<float[]>();
        RowLabels? labels;
        var others = new[] { labelColumn, domainColumn }.OfType<DataViewSchema.Column>();
        using (var cursor = data.GetRowCursor(new[] { input }.Concat(others)))
        {
            var values = cursor.GetGetter<VBuffer<float>>(input);
            var domainOf = domainColumn is { } column ? DomainColumn.Getter(cursor, column) : null;
            labels = labelColumn is { } labelled
                ? RowLabels.Create(cursor, labelled, label!)
                : null;
            VBuffer<float> value = default;
            var limit = sample?.Count ?? int.MaxValue;
            var random = new Random(sample?.Seed ?? 0);
            var seen = 0L;
            while (Try(cursor.MoveNext))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (domainOf?.Invoke().Span.SequenceEqual(domain) == false || labels?.Read() == false)
                    continue;
                // Reservoir sampling (Vitter 1985): every row has the same chance in any order of the data, and only
                // rows that are drawn are decoded.
                seen++;
                var place = rows.Count < limit ? rows.Count : random.NextInt64(seen);
                if (place >= limit)
                    continue;
                Try(() =>
                {
                    values(ref value);
                    return true;
                });
                if (value.Length != size)
                {
                    throw new InvalidOperationException(
                        $"Row {cursor.Position} of column '{inputColumnName}' "
                        + $"has {value.Length} values instead of {size}.");
                }
                var row = Crop(value.DenseValues().ToArray(), rowShape, cropShape, random);
                if (!FiniteCheck.AreFinite(row))
                {
                    throw new InvalidOperationException(
                        $"Row {cursor.Position} of column '{inputColumnName}' has values that are not finite "
                        + "(NaN or infinite).");
                }
                labels?.Keep((int)place);
                if (place == rows.Count)
                    rows.Add(row);
                else
                    rows[(int)place] = row;
            }
        }
        if (rows.Count == 0)
        {
            var labelled = label is null ? "" : $" with a label in column '{label.Name}'";
            throw new InvalidOperationException(domainColumnName is null
                ? $"There are no rows{labelled}."
                : $"Column '{domainColumnName}' has no rows of the domain '{domain}'{labelled}.");
        }
        var images = torch.empty([rows.Count, .. cropShape], torch.ScalarType.Float32).DetachFromDisposeScope();
        var target = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(images.bytes);
        var length = rows[0].Length;
        for (var i = 0; i < rows.Count; i++)
        {
            rows[i].CopyTo(target[(i * length)..]);
            rows[i] = [];
        }
        return new DomainRows(images, labels?.ToTensor());

        bool Try(Func<bool> read)
        {
            try
            {
                return read();
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                throw UnreadableRows.Explain(data, inputColumnName, exception);
            }
        }
    }

    public void Dispose()
    {
        Images.Dispose();
        Labels?.Dispose();
    }

    /// <summary>Cuts a window out of an image, at a random place if there are several.</summary>
    private static float[] Crop(float[] image, long[] shape, long[] cropShape, Random random)
    {
        if (shape.AsSpan().SequenceEqual(cropShape))
            return image;
        var (rows, columns) = ((int)cropShape[1], (int)cropShape[2]);
        var (top, left) = (random.Next((int)shape[1] - rows + 1), random.Next((int)shape[2] - columns + 1));
        var crop = new float[cropShape[0] * rows * columns];
        for (var line = 0; line < crop.Length / columns; line++)
        {
            var (channel, row) = (line / rows, line % rows);
            var start = checked((int)((channel * shape[1] + top + row) * shape[2])) + left;
            image.AsSpan(start, columns).CopyTo(crop.AsSpan(line * columns));
        }
        return crop;
    }
}
