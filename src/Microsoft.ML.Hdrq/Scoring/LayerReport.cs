namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>What became of a layer with weights.</summary>
public sealed class LayerReport
{
    internal LayerReport(string name, string type, int? weightBits, int? inputBits, bool isInteger, string? reason)
    {
        Name = name;
        Type = type;
        WeightBits = weightBits;
        InputBits = inputBits;
        IsInteger = isInteger;
        Reason = reason;
    }

    /// <summary>Its name in the graph.</summary>
    public string Name { get; }

    /// <summary>Its operator.</summary>
    public string Type { get; }

    /// <summary>The bits of its weight; null where that is not quantized.</summary>
    public int? WeightBits { get; }

    /// <summary>The bits of its input; null where that is not quantized.</summary>
    public int? InputBits { get; }

    /// <summary>Whether ONNX Runtime computes it with an integer kernel.</summary>
    public bool IsInteger { get; }

    /// <summary>Why it does not; null where it does.</summary>
    public string? Reason { get; }
}
