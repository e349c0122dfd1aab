using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Files;

[TestClass]
public sealed class JobHashTests
{
    private static IEnumerable<TestDataRow<(object Options, string Name)>> Options =>
        from options in new object[] { new AdaptationOptions(), new HdrqTraining(), new QDropTraining(),
            new RoundingTraining() }
        from property in options.GetType().GetProperties()
        where property.SetMethod is not null && property.Name is not ("CheckpointDirectory" or "Progress")
        select new TestDataRow<(object, string)>(
            (options, property.Name))
        { DisplayName = $"{options.GetType().Name}.{property.Name}" };

    /// <summary>Options that are added later are part of the hash as well, or this fails.</summary>
    [TestMethod]
    [DynamicData(nameof(Options))]
    public void Every_option_changes_it(object options, string name)
    {
        var changed = Activator.CreateInstance(options.GetType())!;
        var property = options.GetType().GetProperty(name)!;
        object value = property.GetValue(options) switch
        {
            bool flag => !flag,
            int number => number + 1,
            double number => Math.BitIncrement(number),
            Enum => Enum.ToObject(property.PropertyType, 1),
            _ when property.PropertyType == typeof(string) => "a",
            _ when property.PropertyType == typeof(int?) => 3,
            _ when property.PropertyType == typeof(double?) => 0.5,
            _ when property.PropertyType == typeof(AdaptationOptions) => new AdaptationOptions { Epochs = 2 },
            _ when property.PropertyType == typeof(SentMoments) => SentMoments.Nothing,
            _ when property.PropertyType == typeof(IReadOnlyList<float>) => new[] { 1f, 2f },
            _ when property.PropertyType == typeof(IReadOnlyList<string>) => new[] { "a", "b" },
            _ => throw new NotSupportedException($"Say here how {name} is changed."),
        };
        property.SetValue(changed, value);
        Assert.AreNotEqual(Hash(options), Hash(changed));
        Assert.AreEqual(Hash(changed), Hash(changed));
    }

    [TestMethod]
    public void What_is_only_told_of_the_work_does_not_change_it() => Assert.AreEqual(
        Hash(new AdaptationOptions()),
        Hash(new AdaptationOptions { CheckpointDirectory = "a", Progress = new Progress<FineTuningProgress>() }));

    [TestMethod]
    public void A_network_is_its_graph_and_all_its_values()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using var same = network.Clone();
        Assert.AreEqual(Hash(network), Hash(same));
        using (torch.no_grad())
            same.Parameters.Values.Last()
                .view(-1)[0] = torch.tensor(
                float.BitIncrement(same.Parameters.Values.Last().view(-1)[0].item<float>()));
        Assert.AreNotEqual(Hash(network), Hash(same));
        // The same parameters, and another attribute.
        var graph = network.Graph;
        var index = graph.Nodes.IndexOf(graph.Nodes.First(node => node.Operator.Type == "Conv"));
        var node = graph.Nodes[index];
        var other = new GraphNode(
            node.Name, Operator.Create("Conv", node.Operator.Attributes.With("pads", new long[] { 2, 2, 2, 2 })),
            node.Inputs, node.Outputs);
        using var padded = network.To(
            torch.CPU, new Graph(graph.Inputs, graph.Parameters, graph.Nodes.SetItem(index, other), graph.Outputs));
        Assert.AreNotEqual(Hash(network), Hash(padded));
    }

    /// <summary>Every element counts, also of tensors that are copied in several pieces, and of views.</summary>
    [TestMethod]
    public void A_tensor_is_all_of_its_elements()
    {
        using var scope = torch.NewDisposeScope();
        var zeros = torch.zeros(3, (1 << 22) + 5);
        var hash = Hash(zeros);
        var last = zeros.clone();
        last[2, (1 << 22) + 4] = torch.tensor(1f);
        Assert.AreNotEqual(hash, Hash(last));
        Assert.AreEqual(hash, Hash(torch.zeros((1 << 22) + 5, 3).t()));
        Assert.AreNotEqual(Hash(torch.zeros(2, 3)), Hash(torch.zeros(3, 2)));
        Assert.AreNotEqual(Hash(torch.zeros(2)), Hash(torch.zeros(2, torch.int32)));
    }

    [TestMethod]
    public void Where_one_text_ends_counts()
    {
        Assert.AreNotEqual(Hash("ab", "c"), Hash("a", "bc"));
        Assert.AreNotEqual(Hash(ImmutableArray.Create("a"), ImmutableArray.Create("b")),
            Hash(ImmutableArray.Create("a", "b"), ImmutableArray<string>.Empty));
        Assert.ThrowsExactly<NotSupportedException>(() => Hash(new System.Text.StringBuilder()));
    }

    private static string Hash(params object?[] values)
    {
        using var hash = new JobHash("test").Add(values);
        return Convert.ToHexString(hash.ToArray());
    }
}
