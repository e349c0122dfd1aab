using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Merges networks parameter by parameter.</summary>
internal static class ParameterMerge
{
    /// <summary>Merges all parameters of a graph.</summary>
    /// <param name="graph">The graph of all networks.</param>
    /// <param name="sources">
    /// The contributions of the networks, in an order that does not depend on the order of the networks.
    /// </param>
    /// <param name="inputs">The same networks, as the method sees them.</param>
    /// <param name="method">The method.</param>
    /// <param name="done">Told the name of each parameter that is merged; it may cancel.</param>
    /// <returns>The tensors by name, owned by the caller's scope.</returns>
    /// <exception cref="ArgumentException">
    /// A constant differs, the networks do not suit the method, or it returns too many, too few or infinite values for
    /// a parameter.
    /// </exception>
    public static Dictionary<string, torch.Tensor> All(
        Graph graph, IReadOnlyList<MergeSource> sources, IReadOnlyList<MergeInput> inputs, MergeMethod method,
        Action<string>? done = null)
    {
        var quantized = QuantizedWeight.Find(graph);
        var targets = method.Targets(graph, inputs);
        var weights = inputs[0].Parameters.Select(definition => definition.Name).ToHashSet(StringComparer.Ordinal);
        var merged = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        var means = new MergedMeans(graph, sources);
        var scales = quantized.Values.ToLookup(weight => weight.Scale, StringComparer.Ordinal);
        foreach (var definition in graph.Parameters)
        {
            var name = definition.Name;
            if (quantized.ContainsKey(name) || scales.Contains(name))
                continue;
            using var parameterScope = torch.NewDisposeScope();
            var target = weights.Contains(name) ? Target(definition) : null;
            var tensor = MergeSource.IsConstant(definition) ? Constant(definition, graph, sources)
                : target is not null ? ToTorch(target.Values, definition)
                : ToTorch(means.Of(name), definition);
            merged.TryAdd(name, tensor.MoveToOuterDisposeScope());
            AddBias(target, tensor);
            done?.Invoke(name);
        }
        var mean = method as MeanMergeMethod ?? MeanMergeMethod.Default;
        var layer = 0;
        foreach (var weight in quantized.Values)
        {
            using var parameterScope = torch.NewDisposeScope();
            var definition = graph.Parameters.Single(parameter => parameter.Name == weight.Weight);
            var scaleDefinition = graph.Parameters.Single(parameter => parameter.Name == weight.Scale);
            var target = Target(definition);
            var (tensor, scale) = Quantized(definition, scaleDefinition, weight, layer++, sources, target, mean);
            merged[weight.Weight] = tensor.MoveToOuterDisposeScope();
            merged[weight.Scale] = scale.MoveToOuterDisposeScope();
            AddBias(target, tensor);
            done?.Invoke(weight.Weight);
        }
        return merged;

        // What a bias makes up for is known once its weight is.
        void AddBias(MergeTarget? target, torch.Tensor weight)
        {
            if (target?.Bias is not { } bias)
                return;
            if (merged.Remove(bias.Name, out var mean))
                mean.Dispose();
            merged.Add(bias.Name, Bias(bias, graph, weight).MoveToOuterDisposeScope());
        }

        MergeTarget? Target(ParameterDefinition definition)
        {
            if (targets(definition) is not { } target)
                return null;
            var count = TensorShape.ElementCount(definition.Shape);
            if (target.Values.Length != count)
            {
                throw new ArgumentException(
                    $"Merge method '{method.Name}' gives {target.Values.Length} values for parameter "
                    + $"'{definition.Name}', which has {count}.");
            }
            // Checked in the parameter's own precision, whose largest value is not that of doubles.
            if (!FiniteCheck.IsFinite(ToTorch(target.Values, definition)))
            {
                throw new ArgumentException(
                    $"Merge method '{method.Name}' gives parameter '{definition.Name}' a value that is not finite, "
                    + $"or too large for {definition.ElementType}.");
            }
            return target;
        }
    }

    /// <summary>Merges one weight again, with its scales and the bias that goes with it.</summary>
    /// <param name="definition">The weight.</param>
    /// <param name="quantized">How it is quantized; null if it is not.</param>
    /// <param name="graph">The graph of all networks.</param>
    /// <param name="sources">The contributions of the networks.</param>
    /// <param name="target">The wanted values.</param>
    /// <returns>The tensors by name, owned by the caller's scope.</returns>
    public static IEnumerable<(string Name, torch.Tensor Value)> One(
        ParameterDefinition definition, QuantizedWeight? quantized, Graph graph, IReadOnlyList<MergeSource> sources,
        MergeTarget target)
    {
        torch.Tensor weight;
        if (quantized is not null)
        {
            var scale = graph.Parameters.Single(parameter => parameter.Name == quantized.Scale);
            (weight, var scales) = Quantized(
                definition, scale, quantized, layer: 0, sources, target, MeanMergeMethod.Default);
            yield return (quantized.Scale, scales);
        }
        else
        {
            weight = ToTorch(target.Values, definition);
        }
        yield return (definition.Name, weight);
        if (target.Bias is { } bias)
            yield return (bias.Name, Bias(bias, graph, weight));
    }

    private static torch.Tensor Bias(MergedBias bias, Graph graph, torch.Tensor weight) => ToTorch(
        bias.Of(HostValues.Numbers(weight)),
        graph.Parameters.Single(parameter => parameter.Name == bias.Name));

    /// <summary>Merges a quantized weight, on its merged grid, and its scales.</summary>
    private static (torch.Tensor Weight, torch.Tensor Scale) Quantized(
        ParameterDefinition definition, ParameterDefinition scaleDefinition, QuantizedWeight quantized, int layer,
        IReadOnlyList<MergeSource> sources, MergeTarget? target, MeanMergeMethod mean)
    {
        var shape = definition.Shape.ToArray();
        (shape[0], shape[quantized.Axis]) = (shape[quantized.Axis], shape[0]);
        var integers = sources
            .Select(source => Array.ConvertAll(source.Values(quantized.Weight), value => (int)value))
            .ToArray();
        var scales = sources.Select(source => source.Values(quantized.Scale)).ToArray();
        var lambdas = sources.Select(source => source.Lambda).ToArray();
        var values = target is null ? null : quantized.OutputsFirst(target.Values, definition.Shape);
        var mergedScales = MergedMeans.Mean(quantized.Scale, sources);
        if (values is not null || mean.SearchScales)
        {
            var wanted = values ?? quantized.OutputsFirst(ExactMean(quantized.Weight, sources), definition.Shape);
            mergedScales = ScaleSearch.Find(wanted, mergedScales, quantized.Range);
        }
        var kernelSize = (int)Math.Max(1, TensorShape.ElementCount(shape.AsSpan(Math.Min(2, shape.Length))) ?? 1);
        var weight = new MergedWeight(
            integers, scales, mergedScales, lambdas, quantized.Range, (int)shape[0], kernelSize, values);
        var rounded = target is null ? mean.Rounding.Round(weight, layer) : target.Round(weight, quantized.Axis);
        var scale = ToTorch(weight.MergedScales, scaleDefinition);
        var spread = scale.numel() == 1
            ? scale.reshape([])
            : scale.reshape([-1, .. Enumerable.Repeat(1L, shape.Length - 1)]);
        var merged = torch.tensor(rounded)
            .reshape(shape)
            .to(definition.ElementType.ToTorch())
            .mul(spread)
            .transpose(0, quantized.Axis)
            .contiguous();
        return (merged, scale);
    }

    private static torch.Tensor Constant(
        ParameterDefinition definition, Graph graph, IReadOnlyList<MergeSource> sources)
    {
        var constant = sources[0].Constants(definition, graph).First();
        foreach (var source in sources)
        {
            if (!source.Constants(definition, graph).All(other => Same(constant, other)))
            {
                throw new ArgumentException(
                    $"Constant '{definition.Name}' differs between {sources[0].Name} and {source.Name}; "
                    + "networks can be merged only when their constants are equal.");
            }
        }
        return constant.ToTorch();
    }

    /// <summary>Whether constants have the same values; the comparison of graphs covers types and shapes.</summary>
    private static bool Same(TensorData a, TensorData b) => a.ElementType == b.ElementType
        ? a.Bytes.SequenceEqual(b.Bytes)
        : Integers(a).AsSpan().SequenceEqual(Integers(b));

    private static long[] Integers(TensorData data)
    {
        using var tensor = data.ToTorch();
        return HostValues.Integers(tensor);
    }

    private static double[] ExactMean(string name, IReadOnlyList<MergeSource> sources)
    {
        double[]? mean = null;
        foreach (var source in sources)
        {
            var values = source.Exact(name);
            mean ??= new double[values.Length];
            for (var i = 0; i < mean.Length; i++)
                mean[i] += source.Lambda * values[i];
        }
        return mean!;
    }

    private static torch.Tensor ToTorch(double[] values, ParameterDefinition definition) =>
        HostValues.Tensor(values, definition.ElementType.ToTorch()).reshape(definition.Shape.ToArray());
}
