using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// A residual network of 18 layers that was trained on ImageNet, from a package of ML.NET's. It gives features and no
/// classes, and takes what a new head makes of it.
/// </summary>
internal static class PretrainedNetwork
{
    /// <summary>What <c>--network</c> says for it.</summary>
    public const string Word = "resnet18";

    private const string Package = "Microsoft.ML.DnnImageFeaturizer.ResNet18";

    private const string Version = "0.23.1";

    /// <summary>Two to the number of times that it halves images.</summary>
    private const int Halved = 32;

    /// <summary>Where an application that references the package has the file, below its own folder.</summary>
    private static readonly string _file = Path.Combine("DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");

    /// <summary>
    /// What the package's own preparation subtracts, for red, green and blue: the mean of its mean image.
    /// </summary>
    public static ChannelNormalization Normalization { get; } = new([123.15f, 115.90f, 103.06f], [1, 1, 1]);

    /// <summary>Whether an argument means the network; a file of that name comes first.</summary>
    public static bool IsMeant(string? argument) => argument == Word && !File.Exists(argument);

    /// <summary>Finds the file.</summary>
    /// <exception cref="UsageException">The package is not on this machine.</exception>
    public static string Find()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } configured
            ? configured
            : Path.Combine(home, ".nuget", "packages");
        string[] places =
        [
            Path.Combine(AppContext.BaseDirectory, _file),
            Path.Combine(packages, Package.ToLowerInvariant(), Version, "tools", _file),
        ];
        return places.FirstOrDefault(File.Exists)
            ?? throw new UsageException(
                $"--network {Word}: its file is in the package {Package} {Version}, which is not on this machine "
                + $"({string.Join(", ", places)}). 'dotnet add package {Package} --version {Version}' in any project "
                + "fetches it.");
    }

    /// <summary>
    /// A network made of it, for images of a size: where that cannot be halved five times, as its padding on one side
    /// needs, it takes the next one that can.
    /// </summary>
    /// <param name="network">The network; disposed if another takes its place.</param>
    /// <param name="height">The height of the images.</param>
    /// <param name="width">Their width.</param>
    public static Network For(Network network, int height, int width)
    {
        if (height % Halved == 0 && width % Halved == 0)
            return network;
        using (network)
        {
            var (graph, input) = (network.Graph, network.Graph.Inputs[0]);
            var taken = new GraphValue(input.Name, input.ElementType, [input.Shape[0], 3, Next(height), Next(width)]);
            return new Network(
                new Graph([taken], graph.Parameters, graph.Nodes, graph.Outputs),
                network.Parameters.ToDictionary(parameter => parameter.Key, parameter => parameter.Value.clone()))
            { Metadata = network.Metadata };
        }

        static int Next(int size) => (size + Halved - 1) / Halved * Halved;
    }

    /// <summary>Reads the network for images of red, green and blue planes, where the file has blue first.</summary>
    public static Network Load(string path)
    {
        using var network = Network.LoadOnnx(path);
        var input = network.Graph.Inputs[0].Name;
        var first = network.Graph.Nodes.First(node => node.Inputs.Contains(input)).Inputs[1];
        var parameters = network.Parameters.ToDictionary(
            parameter => parameter.Key,
            parameter => parameter.Key == first ? parameter.Value.flip(1) : parameter.Value.clone());
        return new Network(network.Graph, parameters);
    }
}
