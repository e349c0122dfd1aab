namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>Describes how ONNX Runtime computes a layer with weights.</summary>
public sealed class LayerReport
{
    internal LayerReport(
        string name, string type, int? weightBits, int? inputBits, bool isInteger, bool hasSignedWeight,
        string? reason, string? remedy)
    {
        Name = name;
        Type = type;
        WeightBits = weightBits;
        InputBits = inputBits;
        IsInteger = isInteger;
        HasSignedWeight = hasSignedWeight;
        Reason = reason;
        Remedy = remedy;
    }

    /// <summary>The name of the layer in the graph.</summary>
    public string Name { get; }

    /// <summary>The operator of the layer.</summary>
    public string Type { get; }

    /// <summary>The bits of the weight; null if it is not quantized.</summary>
    public int? WeightBits { get; }

    /// <summary>The bits of the input; null if it is not quantized.</summary>
    public int? InputBits { get; }

    /// <summary>Whether ONNX Runtime computes the layer with an integer kernel.</summary>
    public bool IsInteger { get; }

    /// <summary>
    /// Whether an integer kernel reads the weight as signed integers. On CPUs with VNNI, ONNX Runtime takes more than
    /// twice as long for unsigned ones, which files hold where 8 bits have the full range; see
    /// <c>QuantizationOptions.ReduceRange</c>.
    /// </summary>
    public bool HasSignedWeight { get; }

    /// <summary>The reason why no integer kernel computes the layer; null if one does.</summary>
    public string? Reason { get; }

    /// <summary>What would let an integer kernel compute the layer; null if one does.</summary>
    public string? Remedy { get; }
}
