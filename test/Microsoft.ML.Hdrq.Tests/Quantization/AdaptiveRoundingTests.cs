using System.Text.Json;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class AdaptiveRoundingTests
{
    [TestMethod]
    public void ItsPartsAreThePapersCode()
    {
        var count = 0;
        foreach (var golden in GoldenFile.Read("adaround.json").GetProperty("cases").EnumerateArray())
        {
            using var scope = torch.NewDisposeScope();
            var name = $"case {count++}";
            var (shape, data) = golden.GetProperty("weight").Tensor();
            var (weight, scale) = (torch.tensor(data).reshape(shape), torch.tensor(golden.GetProperty("scale").GetSingle()));
            var range = new QuantizationRange(golden.GetProperty("bit").GetInt32(), isSigned: true);
            Assert.AreEqual((golden.GetProperty("qmin").GetInt32(), golden.GetProperty("qmax").GetInt32()),
                (range.Minimum, range.Maximum), name);
            using var rounding = new AdaptiveRounding(weight, scale);

            Golden.AssertClose(Numbers(golden, "alpha_init"), rounding.Direction, name);
            Golden.AssertClose(Numbers(golden, "init_rectified"), AdaptiveRounding.Rectified(rounding.Direction), name);
            Golden.AssertClose(Numbers(golden, "init_soft_value"), rounding.Apply(weight, scale, range), name);

            using (torch.no_grad())
                rounding.Direction.copy_(torch.tensor(Numbers(golden, "alpha")).reshape(shape));
            Golden.AssertClose(Numbers(golden, "rectified"), AdaptiveRounding.Rectified(rounding.Direction), name);
            var soft = rounding.Apply(weight, scale, range);
            Golden.AssertClose(Numbers(golden, "soft_value"), soft, name);
            soft.mul(torch.tensor(Numbers(golden, "g")).reshape(shape)).sum().backward();
            Golden.AssertClose(Numbers(golden, "grad_alpha"), rounding.Direction.grad!, name);
            Golden.AssertClose(Numbers(golden, "hard_value"), rounding.Rounded(scale, range), name);

            rounding.Direction.grad!.zero_();
            var term = golden.GetProperty("round_loss");
            Assert.AreEqual(AdaptiveRounding.RegularizerWeight, term.GetProperty("weight").GetDouble());
            var loss = AdaptiveRounding.Regularizer(rounding.Direction, term.GetProperty("b").GetDouble())
                .mul(term.GetProperty("weight").GetDouble());
            Golden.AssertClose([term.GetProperty("value").GetSingle()], loss, name);
            loss.backward();
            Golden.AssertClose(Numbers(term, "grad_alpha"), rounding.Direction.grad!, name);
        }
        Assert.AreEqual(3, count);

        static float[] Numbers(JsonElement golden, string name) => golden.GetProperty(name).Numbers();
    }

    [TestMethod]
    public void TheExponentIsThePapersCode()
    {
        var golden = GoldenFile.Read("adaround.json").GetProperty("temp_decay");
        var expected = golden.GetProperty("b").Numbers();
        foreach (var (i, step) in golden.GetProperty("t").Numbers().Index())
            Assert.AreEqual(expected[i],
                AdaptiveRounding.Exponent((int)step, golden.GetProperty("t_max").GetInt32(),
                    golden.GetProperty("warm_up").GetDouble()), 1e-5 * expected[i], $"step {step}");
    }

    [TestMethod]
    [DataRow(true, false)]
    [DataRow(false, false)]
    [DataRow(true, true)]
    public void ReconstructionChoosesBetweenTheTwoIntegersAndBringsTheScoresNearer(bool perChannel, bool isLayerByLayer)
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual(width: 8);
        var images = SmallNetworks.Random(1, 32, 3, 8, 8);
        var training = RoundingTraining.Paper with { Iterations = 100, BatchSize = 16, LearningRate = 1e-2 };
        QuantizationOptions method = isLayerByLayer ? AdaRoundOptions.Paper with { Training = training }
            : BrecqOptions.Paper with { Training = training };
        using var nearest = Quantize(RoundToNearestOptions.Paper);
        using var learned = Quantize(method);
        var exact = network.Forward(images);
        var (before, after) = (Error(nearest), Error(learned));
        Assert.IsLessThan(0.8 * before, after);

        var turned = 0L;
        foreach (var node in nearest.Graph.Nodes.Where(
            node => node.Operator is FakeQuantize && nearest.Parameters.ContainsKey(node.Inputs[0])))
        {
            var quantizer = (FakeQuantize)node.Operator;
            var scale = nearest.Parameters[node.Inputs[1]];
            Assert.AreEqual(TensorData.FromTorch(scale), TensorData.FromTorch(learned.Parameters[node.Inputs[1]]));
            var steps = nearest.Parameters[node.Inputs[0]].div(quantizer.Spread(scale, nearest.Parameters[node.Inputs[0]]));
            var integers = quantizer.Integers(learned.Parameters[node.Inputs[0]], scale);
            Assert.IsTrue(integers.eq(steps.floor().clamp(quantizer.Range.Minimum, quantizer.Range.Maximum))
                .logical_or(integers.eq(steps.ceil().clamp(quantizer.Range.Minimum, quantizer.Range.Maximum))).all()
                .item<bool>());
            turned += integers.ne(quantizer.Integers(nearest.Parameters[node.Inputs[0]], scale)).sum().item<long>();
        }
        Assert.IsGreaterThan(0, turned);

        Network Quantize(QuantizationOptions options) => NetworkQuantizer.Quantize(
            network, images, options with
            {
                WeightBits = 3,
                ActivationBits = 8,
                Placement = QuantizerPlacement.Integer,
                PerChannel = perChannel
            }, seed: 1);

        double Error(Network quantized) => quantized.Forward(images).sub(exact).square().mean().item<float>();
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void NoTensorIsLeftOver(bool isLayerByLayer)
    {
        using var network = SmallNetworks.Residual();
        using var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        QuantizationOptions options = isLayerByLayer
            ? AdaRoundOptions.Paper with
            {
                Placement = QuantizerPlacement.Integer,
                Training = RoundingTraining.Paper with { Iterations = 3, BatchSize = 4 }
            }
            : QDropOptions.Paper with
            {
                Placement = QuantizerPlacement.Integer,
                Training = QDropTraining.Paper with { Iterations = 3, BatchSize = 4 }
            };
        using (NetworkQuantizer.Quantize(network, images, options, seed: 1))
        {
        }
        LiveTensors.AssertUnchanged(() =>
        {
            using var quantized = NetworkQuantizer.Quantize(network, images, options, seed: 1);
        });
    }
}
