using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>What a command needs that works with a merged draft at one place.</summary>
internal sealed class PlaceArguments
{
    /// <summary>As many images are taken of a place, see <see cref="RowOptions.MaxRows"/>.</summary>
    private const int MostImages = CommonArguments.StandardCalibrationImages;

    private const int FewestImages = 32;

    private readonly Argument<string> _draft;
    private readonly Option<string?> _network = Arguments.File(
        "--network", "ONNX file of the place's own network, one of those that were merged.", isRequired: true);
    private readonly Option<string?> _data = Arguments.Folder(
        "--data", "Images of the place, without labels: any folder of images, or that of a domain, whose training "
        + "images are taken, or of several with --domain.", isRequired: true);
    private readonly Option<string?> _domain = new("--domain") { Description = "The place, where --data has several." };
    private readonly Option<int> _seed = CommonArguments.Seed();
    private readonly Option<int?> _threads = CommonArguments.TrainingThreads();
    private readonly Option<bool> _json = CommonArguments.Json();

    /// <param name="draft">What the draft is.</param>
    public PlaceArguments(string draft)
    {
        _draft = new("draft") { Description = draft };
        _draft.CustomParser = result => Arguments.ParseFile(result, "draft", result.Tokens[^1].Value);
    }

    /// <summary>A command with these arguments.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="own">Its own options.</param>
    public CliCommand Command(string name, string description, params IEnumerable<Option> own)
    {
        var command = new CliCommand(name, description) { _draft };
        foreach (var option in (Option[])[_network, _data, _domain, .. own, _seed, _threads, _json])
            command.Add(option);
        return command;
    }

    public bool IsJson(ParseResult result) => result.GetValue(_json);

    public int Seed(ParseResult result) => result.GetValue(_seed);

    /// <summary>Reads the networks, and looks for the images.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="output">The file that is to be written.</param>
    /// <param name="context">Where the work is done.</param>
    public Place Open(ParseResult result, string output, MLContext context)
    {
        var (draft, network) = (result.GetValue(_draft)!, result.GetValue(_network)!);
        Arguments.CheckApart(output, [draft, network]);
        var images = DomainLayout.UnlabelledImages(result.GetValue(_data)!, result.GetValue(_domain));
        PixelPipeline.CheckImages(images);
        return new(
            Path.GetFileName(draft), images, Network.LoadOnnx(draft), Network.LoadOnnx(network), context,
            new() { Seed = Seed(result), Threads = result.GetValue(_threads) });
    }

    /// <summary>What is said of the images of a place, of which no more are taken than the library takes.</summary>
    public static string Used(int images) => string.Create(
        CultureInfo.InvariantCulture,
        $"{(images > MostImages ? $"{MostImages} of " : "")}{images:N0} image{(images == 1 ? "" : "s")}");

    /// <summary>Warns of images that say little of their place.</summary>
    public static void WarnOfFew(int images, string place, Action<string> warn)
    {
        if (images < FewestImages)
        {
            warn(
                $"{Used(images)} of {place} say little of it: with fewer than {FewestImages}, better {MostImages}, the network "
                + "may be worse than the merge of the networks alone.");
        }
    }

    /// <summary>A draft, a place's own network and its images.</summary>
    internal sealed class Place(
        string name, IReadOnlyList<string> images, Network draft, Network own, MLContext context, RowOptions rows)
        : IDisposable
    {
        public string Name => name;

        /// <summary>What is said of the images that are taken.</summary>
        public string Used => PlaceArguments.Used(images.Count);

        public int Images => images.Count;

        public Network Draft => draft;

        public Network Own => own;

        /// <summary>Does the work on the images.</summary>
        /// <param name="session">What ends it early.</param>
        /// <param name="work">Given the context, the images and which of them to take.</param>
        /// <exception cref="InvalidDataException">The draft, the network and the images do not belong together.</exception>
        public T Do<T>(Session session, Func<MLContext, IDataView, RowOptions, T> work)
        {
            var (height, width) = PixelPipeline.InputSize(draft, () => images[0]);
            var pixels = new PixelPipeline(context, height, width);
            try
            {
                return work(
                    context, pixels.Read(images, session.CancellationToken),
                    rows with { CancellationToken = session.CancellationToken });
            }
            catch (ArgumentException exception)
            {
                throw new InvalidDataException(Arguments.Sentence(exception), exception);
            }
        }

        public void Dispose()
        {
            draft.Dispose();
            own.Dispose();
        }
    }
}
