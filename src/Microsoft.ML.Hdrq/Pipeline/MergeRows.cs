using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Unlabelled rows of the places whose networks are merged, on which <see cref="MergeOptions.Refinement"/> makes the
/// merged network better.
/// </summary>
/// <remarks>Each network is compared with the merged one on the rows of its own place.</remarks>
public sealed record MergeRows
{
    /// <summary>The number of rows of each domain where the options do not set it.</summary>
    private const int DefaultRows = 256;

    private const string DefaultColumn = "Domain";

    /// <summary>
    /// The domains, one for each network and in their order: values of <see cref="RowOptions.DomainColumnName"/>.
    /// </summary>
    public required IReadOnlyList<string> Domains
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value.ToImmutableArray();
        }
    }

    /// <summary>
    /// Which rows of each domain, the seed, the device, its threads, and cancellation. By default, 256 rows that are
    /// drawn at random, and the domain of a row is in the column <c>Domain</c>. <see cref="RowOptions.Domain"/> must be
    /// null, and labels are not read.
    /// </summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    public RowOptions Rows
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    }
    = new() { DomainColumnName = DefaultColumn };

    /// <summary>
    /// Receives a report after each step of merging layers again, on the thread that merges; null by default. Training
    /// reports to <see cref="DistillationOptions.Progress"/>.
    /// </summary>
    public IProgress<MergeProgress>? Progress { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check(int networks)
    {
        if (Domains.Count != networks)
        {
            throw Errors.Option(nameof(Domains), string.Join(", ", Domains),
                $"{nameof(Domains)} names {Domains.Count} domains for {networks} networks; it needs one for each.");
        }
        if (Rows.Domain is not null)
        {
            throw Errors.Option(nameof(RowOptions.Domain), Rows.Domain,
                $"{nameof(RowOptions.Domain)} is '{Rows.Domain}'; the domains of a merge are in {nameof(Domains)}.");
        }
        foreach (var domain in Domains)
            Of(domain).Check(readsLabels: false);
    }

    /// <summary>Reads the images of all domains.</summary>
    /// <param name="network">One of the networks.</param>
    /// <param name="data">The rows.</param>
    /// <param name="inputColumnName">The column that the networks read.</param>
    /// <param name="seed">The seed of the draws.</param>
    internal IReadOnlyList<DomainRows> Read(Network network, IDataView data, string inputColumnName, int seed)
    {
        var read = new List<DomainRows>();
        try
        {
            foreach (var domain in Domains)
                read.Add(Read(Of(domain), network, data, inputColumnName, seed));
            return read;
        }
        catch
        {
            read.ForEach(rows => rows.Dispose());
            throw;
        }
    }

    /// <summary>Reads the images of one domain: a place that measures a draft takes the same as a merge of all.</summary>
    /// <param name="rows">Which rows.</param>
    /// <param name="network">One of the networks.</param>
    /// <param name="data">The rows.</param>
    /// <param name="inputColumnName">The column that the networks read.</param>
    /// <param name="seed">The seed of the draws.</param>
    internal static DomainRows Read(
        RowOptions rows, Network network, IDataView data, string inputColumnName, int seed)
    {
        var shape = InputColumn.RowShape(network.Graph.Inputs[0], InputColumn.Find(data.Schema, inputColumnName));
        TrainingHost.CheckCrop(network, shape, rows.CropSize);
        return DomainRows.Read(
            data, inputColumnName, shape, label: null, rows.DomainColumnName, rows.Domain,
            new(rows.MaxRows ?? DefaultRows, seed, rows.CropSize), rows.CancellationToken);
    }

    private RowOptions Of(string domain) =>
        Rows with { Domain = domain, DomainColumnName = Rows.DomainColumnName ?? DefaultColumn };
}
