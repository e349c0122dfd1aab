using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Elements of the second input where the first is true, otherwise of the third; all are broadcast to one shape.
/// </summary>
internal sealed class Where(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var tensors = HostValues.SameDevice(inputs);
        var type = tensors[1].dtype;
        Broadcasting.Shape(
            Broadcasting.Shape(tensors[0].shape, tensors[1].shape, type, context), tensors[2].shape, type, context);
        return [torch.where(tensors[0], tensors[1], tensors[2])];
    }
}
