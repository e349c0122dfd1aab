using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>What ONNX Runtime computes for a network, row by row.</summary>
internal static class OnnxRuntimeScores
{
    public static float[][] Of(Network network, IEnumerable<float[]> rows, params int[] sizes)
    {
        using var model = new MemoryStream();
        network.SaveOnnx(model);
        using var session = new InferenceSession(model.ToArray());
        var input = session.InputMetadata.Keys.Single();
        return
        [
            .. rows.Select(row =>
            {
                var tensor = new DenseTensor<float>(
                    row, [1, .. sizes is [] ? [TestNetworks.Channels, TestNetworks.Size, TestNetworks.Size] : sizes]);
                using var outputs = session.Run([NamedOnnxValue.CreateFromTensor(input, tensor)]);
                return outputs[0].AsTensor<float>().ToArray();
            }),
        ];
    }
}
