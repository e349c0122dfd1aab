using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class RoundingErrorTests
{
    [TestMethod]
    [DataRow(1, 100_003, 4, true, 2.4)]
    [DataRow(5, 77, 3, true, 2.4)]
    [DataRow(16, 16, 8, false, 2.0)]
    [DataRow(7, 3, 4, true, 2.4)]
    public void The_mean_of_each_row_is_that_of_its_elements(int rows, int count, int bits, bool isSigned, double power)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(3);
        var values = torch.randn([rows, count], generator: generator);
        var scale = torch.rand([rows, 1], generator: generator).add(0.05f);
        var range = new QuantizationRange(bits, isSigned);

        var means = RoundingError.Mean(values, scale, range, power).data<float>().ToArray();

        var elements = values.data<float>().ToArray();
        for (var row = 0; row < rows; row++)
        {
            var step = scale[row, 0].item<float>();
            var expected = elements.Skip(row * count).Take(count)
                .Average(value => Math.Pow(Math.Abs(Math.Clamp(Math.Round((double)(value / step)), range.Minimum, range.Maximum) * step - value), power));
            Assert.AreEqual(expected, means[row], 1e-5 * expected);
        }
    }

    [TestMethod]
    public void Values_on_the_grid_have_no_error()
    {
        using var scope = torch.NewDisposeScope();
        var mean = RoundingError.Mean(torch.tensor(new float[40]).reshape(1, 40), torch.tensor(new[] { 0.5f }).reshape(1, 1), new QuantizationRange(4, true), 2.4);
        Assert.AreEqual(0f, mean.item<float>());
    }
}
