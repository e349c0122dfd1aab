using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Makes a network from the one behind a score column, with the rows of a domain: the common base of adapting and
/// quantizing.
/// </summary>
/// <remarks>
/// It starts from the score column of another step and reads that step's input column. The result remembers the network
/// that the first step applied as its source.
/// </remarks>
public abstract class NetworkTrainingEstimator : IEstimator<NetworkTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly string _name;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;

    /// <summary>Checks the arguments that all steps have in common.</summary>
    /// <param name="environment">The environment.</param>
    /// <param name="name">The step's name in messages.</param>
    /// <param name="outputColumnName">The score column to add.</param>
    /// <param name="inputColumnName">The score column to start from.</param>
    /// <param name="rows">Which rows to read.</param>
    /// <param name="readsLabels">Whether it reads labels.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    private protected NetworkTrainingEstimator(
        IHostEnvironment environment, string name, string outputColumnName, string inputColumnName, RowOptions rows,
        bool readsLabels)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(rows);
        rows.Check(readsLabels);
        (_environment, _name, Rows) = (environment, name, rows);
        (_outputColumnName, _inputColumnName) = (outputColumnName, inputColumnName);
    }

    /// <summary>Makes the network from a copy of the one behind the score column.</summary>
    /// <param name="input">
    /// Data with the score column to start from, its network's input column, and the label and domain columns that the
    /// options name.
    /// </param>
    /// <returns>The transformer; it owns the network: dispose it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing or has the wrong type, or the network does not have as many classes as the label.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The source network has another graph than the network (the message names the first difference), the network is
    /// quantized already, a weight is not finite, or the weights do not fit into the requested size.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows of the domain, a row cannot be read, is not finite or of a class that the network does not
    /// have, the GPU is not available, the loss is no longer finite, or
    /// the accuracy falls by more than is allowed.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing was changed.</exception>
    public NetworkTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var host = _environment.Register(_name);
        using var channel = host.Start("Fit");
        using var modes = new TorchModes(threads: Rows.Threads);
        var annotation = TrainingHost.Network(input.Schema, _inputColumnName);
        using var uses = Network.UseAll(annotation.Network, annotation.Source);
        var shape = InputColumn.RowShape(
            annotation.Network.Graph.Inputs[0], InputColumn.Find(input.Schema, annotation.InputColumnName));
        var device = CatalogEnvironment.Device(_environment, Rows.GpuDeviceId, Rows.FallbackToCpu);
        var network = Train(
            new Start(host, channel, input, annotation, shape, device, Rows, _inputColumnName, _outputColumnName));
        return new NetworkTransformer(
            network, IsSource ? null : annotation.Source, _outputColumnName, annotation.InputColumnName, annotation.Settings,
            input.Schema);
    }

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>The input's columns with the score column and the predicted label or mask.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The score column to start from is missing.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return NewKind(inputSchema) is { } kind
            ? SchemaShapes.AddScores(inputSchema, _outputColumnName, kind)
            : SchemaShapes.AddScoresLike(inputSchema, _outputColumnName, _inputColumnName);
    }

    /// <summary>Whether the network that is made is the source of those that are made from it.</summary>
    private protected virtual bool IsSource => false;

    /// <summary>What the network predicts; null for what the one predicts that it is made from.</summary>
    private protected virtual PredictionKind? NewKind(SchemaShape input) => null;

    /// <summary>Which rows to read.</summary>
    private protected RowOptions Rows { get; }

    /// <summary>Makes the network.</summary>
    /// <param name="start">The starting point.</param>
    /// <returns>The network, owned by the caller.</returns>
    private protected abstract Network Train(Start start);

    /// <summary>The starting point of a step.</summary>
    /// <param name="Host">The step's host.</param>
    /// <param name="Channel">The channel for the step's messages.</param>
    /// <param name="Data">The data.</param>
    /// <param name="Annotation">The network behind the score column, and how it is applied.</param>
    /// <param name="RowShape">The shape of an input without the batch.</param>
    /// <param name="Device">The device to compute on.</param>
    /// <param name="Rows">Which rows to read.</param>
    /// <param name="InputColumnName">The score column that it starts from.</param>
    /// <param name="OutputColumnName">The score column that it adds.</param>
    private protected sealed record Start(
        IHost Host, IChannel Channel, IDataView Data, NetworkAnnotation Annotation, long[] RowShape,
        torch.Device Device, RowOptions Rows, string InputColumnName, string OutputColumnName)
    {
        /// <summary>The part of a message that names the domain.</summary>
        public string OfDomain => Rows.Domain is null ? "" : $" of '{Rows.Domain}'";

        /// <summary>The seed of all random draws; determined once.</summary>
        public int Seed { get; } = TrainingHost.Seed(Host, Rows.Seed);

        /// <summary>Reads the rows.</summary>
        /// <param name="label">The labels; null to read none.</param>
        /// <param name="defaultRows">The maximum number of rows if the options do not set it; null for all.</param>
        public DomainRows Read(LabelColumn? label, int? defaultRows)
        {
            var sample = (Rows.MaxRows ?? defaultRows) is { } count ? new RowSample(count, Seed, Rows.CropSize) : null;
            return DomainRows.Read(
                Data, Annotation.InputColumnName, RowShape, label, Rows.DomainColumnName, Rows.Domain, sample,
                Rows.CancellationToken);
        }
    }
}
