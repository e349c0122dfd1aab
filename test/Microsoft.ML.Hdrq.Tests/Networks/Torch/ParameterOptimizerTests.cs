using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Tests.Networks.Torch;

/// <summary>The optimizers do what those of Torch do, to the last bit.</summary>
[TestClass]
public sealed class ParameterOptimizerTests
{
    private const int Steps = 7;

    [TestMethod]
    [DataRow("SGD", 0.0, 0.0)]
    [DataRow("SGD", 0.9, 0.0)]
    [DataRow("SGD", 0.9, 0.01)]
    [DataRow("Adam", 0.0, 0.0)]
    [DataRow("AdamW", 0.0, 0.1)]
    public void Steps_are_those_of_Torch(string kind, double momentum, double decay)
    {
        using var scope = torch.NewDisposeScope();
        var (mine, theirs) = (Parameters(), Parameters());
        using var optimizer = Own(kind, mine, momentum, decay);
        using torch.optim.Optimizer reference = kind switch
        {
            "SGD" => torch.optim.SGD(theirs, Rate(0), momentum, weight_decay: decay),
            "Adam" => torch.optim.Adam(theirs, Rate(0)),
            _ => torch.optim.AdamW(theirs, Rate(0), weight_decay: decay),
        };
        for (var step = 0; step < Steps; step++)
        {
            optimizer.ZeroGradients();
            reference.zero_grad();
            Loss(mine, step).backward();
            Loss(theirs, step).backward();
            optimizer.Step(Rate(step));
            foreach (var group in reference.ParamGroups)
                group.LearningRate = Rate(step);
            reference.step();
            AssertSame(theirs, mine, $"step {step}");
        }
    }

    [TestMethod]
    [DataRow("SGD", 0.0, 0.0)]
    [DataRow("SGD", 0.9, 0.0)]
    [DataRow("SGD", 0.9, 0.01)]
    [DataRow("Adam", 0.0, 0.0)]
    [DataRow("AdamW", 0.0, 0.1)]
    public void Steps_go_on_where_they_ended(string kind, double momentum, double decay)
    {
        using var scope = torch.NewDisposeScope();
        var whole = Parameters();
        using var optimizer = Own(kind, whole, momentum, decay);
        Train(whole, optimizer, 0, 3);
        using var written = new MemoryStream();
        using (var writer = new BinaryWriter(written, System.Text.Encoding.UTF8, leaveOpen: true))
            optimizer.Write(writer);
        var rest = whole.Select(parameter => new Parameter(parameter.detach().clone())).ToArray();
        using var again = Own(kind, rest, momentum, decay);
        written.Position = 0;
        using (var reader = new BinaryReader(written))
            again.Read(reader)();
        Train(whole, optimizer, 3, Steps);
        Train(rest, again, 3, Steps);
        AssertSame(whole, rest, kind);
    }

    [TestMethod]
    [DataRow("SGD", 0.0, 0.0)]
    [DataRow("SGD", 0.9, 0.0)]
    [DataRow("SGD", 0.9, 0.01)]
    [DataRow("Adam", 0.0, 0.0)]
    [DataRow("AdamW", 0.0, 0.1)]
    public void Nothing_is_left(string kind, double momentum, double decay)
    {
        using var scope = torch.NewDisposeScope();
        var parameters = Parameters();
        TrainAnew();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        TrainAnew();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void TrainAnew()
        {
            using var optimizer = Own(kind, parameters, momentum, decay);
            Train(parameters, optimizer, 0, Steps);
        }
    }

    private static ParameterOptimizer Own(string kind, Parameter[] parameters, double momentum, double decay) =>
        kind == "SGD" ? new SgdOptimizer(parameters, momentum, decay) : new AdamOptimizer(parameters, decay);

    private static void Train(Parameter[] parameters, ParameterOptimizer optimizer, int first, int end)
    {
        for (var step = first; step < end; step++)
        {
            using var scope = torch.NewDisposeScope();
            optimizer.ZeroGradients();
            Loss(parameters, step).backward();
            optimizer.Step(Rate(step));
        }
    }

    // One has no gradient, and two have none at first; one is larger than what a thread takes at a time.
    private static torch.Tensor Loss(Parameter[] parameters, int step)
    {
        var first = parameters[0].mul(SmallNetworks.Random(step, 5, 3)).sum().exp();
        return step < 2 ? first : first.add(parameters[1].sin().sum()).add(parameters[3].mul(step).sin().sum());
    }

    private static Parameter[] Parameters() =>
        [
            new(SmallNetworks.Random(1, 5, 3).mul(0.1)), new(SmallNetworks.Random(2, 4)), new(SmallNetworks.Random(3, 2)),
            new(SmallNetworks.Random(4, 233, 301)),
        ];

    private static double Rate(int step) => 0.01 * (step + 1);

    private static void AssertSame(Parameter[] expected, Parameter[] actual, string message)
    {
        foreach (var (one, other) in expected.Zip(actual))
            CollectionAssert.AreEqual(one.data<float>().ToArray(), other.data<float>().ToArray(), message);
    }
}
