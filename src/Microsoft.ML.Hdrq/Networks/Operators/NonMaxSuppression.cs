using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Chooses boxes, the best first, that overlap no better one of the same class too much. Inputs: boxes [N, boxes, 4],
/// scores [N, classes, boxes], and optionally the maximum number of boxes of each class, the maximum overlap, and the
/// minimum score. The output has a row (image, class, box) for each chosen box.
/// </summary>
internal sealed class NonMaxSuppression(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    private readonly bool _isCentered = attributes.Integer("center_point_box", 0) != 0;

    internal override bool ReadsAsList(int input) => input >= 2;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (boxes, scores) = (inputs[0]!, inputs[1]!);
        if (boxes.dim() != 3 || scores.dim() != 3 || boxes.shape[2] != 4
            || boxes.shape[0] != scores.shape[0] || boxes.shape[1] != scores.shape[2])
        {
            throw new InvalidDataException(
                $"Boxes of shape {TensorShape.Describe(boxes.shape)} do not fit scores of shape "
                + $"{TensorShape.Describe(scores.shape)}.");
        }
        var maximum = inputs.Optional(2) is { } count ? HostValues.Integer(count) : 0;
        var overlap = inputs.Optional(3) is { } threshold ? (float)HostValues.Number(threshold) : 0;
        float? minimum = inputs.Optional(4) is { } score ? (float)HostValues.Number(score) : null;
        var chosen = new List<long>();
        var (corners, values) = (Floats(boxes), Floats(scores));
        var (classes, length) = (scores.shape[1], (int)scores.shape[2]);
        for (var image = 0L; image < boxes.shape[0] && maximum > 0; image++)
        {
            var all = Enumerable.Range(0, length)
                .Select(box => Corners(corners.AsSpan((int)(image * length + box) * 4, 4)))
                .ToArray();
            for (var label = 0L; label < classes; label++)
            {
                var start = (int)(image * classes + label) * length;
                var kept = new List<int>();
                var order = Enumerable.Range(0, length)
                    .Where(box => minimum is null || values[start + box] > minimum)
                    .OrderByDescending(box => values[start + box]);
                foreach (var box in order)
                {
                    if (kept.Count >= maximum)
                        break;
                    if (kept.TrueForAll(other => Overlap(all[box], all[other]) <= overlap))
                        kept.Add(box);
                }
                foreach (var box in kept)
                    chosen.AddRange([image, label, box]);
            }
        }
        return [HostValues.Tensor([.. chosen]).reshape(-1, 3).alias()];
    }

    private static float[] Floats(torch.Tensor tensor) =>
        tensor.detach().cpu().to(torch.ScalarType.Float32).contiguous().data<float>().ToArray();

    private (float Top, float Left, float Bottom, float Right) Corners(ReadOnlySpan<float> box) => _isCentered
        ? (box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2)
        : (Math.Min(box[0], box[2]), Math.Min(box[1], box[3]), Math.Max(box[0], box[2]), Math.Max(box[1], box[3]));

    private static float Overlap(
        (float Top, float Left, float Bottom, float Right) a, (float Top, float Left, float Bottom, float Right) b)
    {
        var height = Math.Min(a.Bottom, b.Bottom) - Math.Max(a.Top, b.Top);
        var width = Math.Min(a.Right, b.Right) - Math.Max(a.Left, b.Left);
        if (height <= 0 || width <= 0)
            return 0;
        var union = Area(a) + Area(b) - height * width;
        return union > 0 ? height * width / union : 0;

        static float Area((float Top, float Left, float Bottom, float Right) box) =>
            (box.Bottom - box.Top) * (box.Right - box.Left);
    }
}
