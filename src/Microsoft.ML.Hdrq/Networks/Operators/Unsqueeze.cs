using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Inserts dimensions of size 1 at the axes in the second input.</summary>
internal sealed class Unsqueeze(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, given) = (inputs[0]!, HostValues.Integers(inputs[1]!));
        var axes = HostValues.Axes(given, data.dim() + given.Length);
        var sizes = new Queue<long>(data.shape);
        var shape = Enumerable.Range(0, (int)data.dim() + axes.Length)
            .Select(axis => axes.Contains(axis) ? 1 : sizes.Dequeue());
        return [data.reshape([.. shape]).alias()];
    }
}
