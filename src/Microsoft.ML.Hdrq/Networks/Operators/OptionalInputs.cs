using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Inputs that a node may leave out.</summary>
internal static class OptionalInputs
{
    /// <summary>The input at an index, or null when the node has none there.</summary>
    public static torch.Tensor? Optional(this IReadOnlyList<torch.Tensor?> inputs, int index) =>
        index < inputs.Count ? inputs[index] : null;
}
