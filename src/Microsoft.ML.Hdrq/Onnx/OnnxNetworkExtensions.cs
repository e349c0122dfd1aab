using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>Reads a <see cref="Network"/> from ONNX and writes it as ONNX.</summary>
public static class OnnxNetworkExtensions
{
    extension(Network)
    {
        /// <summary>
        /// Reads a network from an ONNX file of opset 7 to 24. Constant parts of the graph are computed once.
        /// </summary>
        /// <param name="path">The file; tensors in external files are read from its folder.</param>
        /// <returns>The network, on the CPU, owned by the caller.</returns>
        /// <exception cref="FileNotFoundException">There is no such file.</exception>
        /// <exception cref="InvalidDataException">
        /// The file is not a well-formed ONNX model, or a value takes more memory than the options allow, or
        /// there is no output of the name that they give; the message names the path and the cause.
        /// </exception>
        /// <exception cref="NotSupportedException">
        /// The model uses operators or an opset that are not supported, and the message names all of them; or it has more
        /// than 100,000 nodes.
        /// </exception>
        /// <exception cref="TorchUnavailableException">libtorch cannot be loaded on this machine.</exception>
        public static Network LoadOnnx(string path) => LoadOnnx(path, new OnnxLoadOptions());

        /// <summary>
        /// Reads a network from an ONNX file of opset 7 to 24. Constant parts of the graph are computed once.
        /// </summary>
        /// <param name="path">The file; tensors in external files are read from its folder.</param>
        /// <param name="options">The options.</param>
        /// <returns>The network, on the CPU, owned by the caller.</returns>
        /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
        /// <exception cref="FileNotFoundException">There is no such file.</exception>
        /// <exception cref="InvalidDataException">
        /// The file is not a well-formed ONNX model, or a value takes more memory than the options allow; the message
        /// names the path and the cause.
        /// </exception>
        /// <exception cref="NotSupportedException">
        /// The model uses operators or an opset that are not supported, and the message names all of them; or it has more
        /// than 100,000 nodes.
        /// </exception>
        /// <exception cref="TorchUnavailableException">libtorch cannot be loaded on this machine.</exception>
        public static Network LoadOnnx(string path, OnnxLoadOptions options)
        {
            ArgumentException.ThrowIfNullOrEmpty(path);
            ArgumentNullException.ThrowIfNull(options);
            options.Check();
            var file = new FileInfo(path);
            if (file.Exists && file.Length > Array.MaxLength)
            {
                throw new InvalidDataException(
                    $"'{path}': an ONNX file has at most {Array.MaxLength} bytes, this one has {file.Length}.");
            }
            using var bytes = new FileBytes(path);
            try
            {
                return Read(bytes.Memory, file.DirectoryName, options);
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException($"'{path}': {exception.Message}", exception);
            }
            catch (NotSupportedException exception)
            {
                throw new NotSupportedException($"'{path}': {exception.Message}", exception);
            }
        }

        /// <summary>Reads the metadata of an ONNX file, <see cref="Network.Metadata"/>, without its network.</summary>
        /// <param name="path">The file.</param>
        /// <returns>The metadata by name; where a name is given twice, its last value.</returns>
        /// <exception cref="FileNotFoundException">There is no such file.</exception>
        /// <exception cref="InvalidDataException">The file is not an ONNX model.</exception>
        public static IReadOnlyDictionary<string, string> ReadOnnxMetadata(string path)
        {
            ArgumentException.ThrowIfNullOrEmpty(path);
            using var file = new FileStream(
                path, FileMode.Open, FileAccess.Read, FileShare.Read, WholeFile.BufferSize);
            try
            {
                return OnnxReader.ReadMetadata(file);
            }
            catch (InvalidProtocolBufferException exception)
            {
                throw new InvalidDataException($"'{path}': {OnnxReader.Damaged}", exception);
            }
        }

        /// <summary>Reads a network from a stream that holds an ONNX model of opset 7 to 24.</summary>
        /// <param name="stream">The stream, read to its end and left open.</param>
        /// <param name="externalDataDirectory">
        /// The folder of external files with tensors; null when there are none.
        /// </param>
        /// <param name="options">The options; null for the defaults.</param>
        /// <returns>The network, on the CPU, owned by the caller.</returns>
        /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
        /// <exception cref="InvalidDataException">
        /// The stream does not hold a well-formed ONNX model, a value takes more memory than the options allow, or there
        /// is no output of the name that they give.
        /// </exception>
        /// <exception cref="NotSupportedException">
        /// The model uses operators or an opset that are not supported, and the message names all of them; or it has more
        /// than 100,000 nodes.
        /// </exception>
        /// <exception cref="TorchUnavailableException">libtorch cannot be loaded on this machine.</exception>
        public static Network LoadOnnx(
            Stream stream, string? externalDataDirectory = null, OnnxLoadOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(stream);
            options ??= new OnnxLoadOptions();
            options.Check();
            using var buffer = new MemoryStream();
            stream.CopyTo(buffer);
            return Read(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), externalDataDirectory, options);
        }
    }

    /// <summary>
    /// Writes a network as an ONNX file. An existing file is replaced only when writing has succeeded.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="ArgumentException">
    /// The options are out of range, or the external file is not a plain name.
    /// </exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="NotSupportedException">
    /// The opset cannot express the network, or does not define an operator on the element types of its inputs (the
    /// message names the node); or the network's tensors do not fit into one file.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The network has been disposed.</exception>
    public static void SaveOnnx(this Network network, string path, OnnxSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new OnnxSaveOptions();
        using var use = network.Use();
        var target = Path.GetFullPath(path);
        if (!Directory.Exists(Path.GetDirectoryName(target)))
            throw new DirectoryNotFoundException($"There is no folder '{Path.GetDirectoryName(target)}'.");
        var external = options.ExternalDataFile;
        if (external is not null && !IsPlainName(external, Path.GetFileName(target)))
        {
            throw new ArgumentException(
                $"ExternalDataFile '{external}' must be the plain name of another file beside the model.",
                nameof(options));
        }
        var externalTarget = external is null ? null : Path.Combine(Path.GetDirectoryName(target)!, external);
        if (externalTarget is null)
        {
            WholeFile.Write(target, model => OnnxWriter.Write(network, model, options, null));
            return;
        }
        // The model gets its name last: it refers to the other file.
        WholeFile.Write(
            target,
            model => WholeFile.Write(externalTarget, data => OnnxWriter.Write(network, model, options, data)));
    }

    private static Network Read(ReadOnlyMemory<byte> bytes, string? externalDataDirectory, OnnxLoadOptions options)
    {
        var network = OnnxReader.Read(bytes, externalDataDirectory, options.MaxValueSize);
        if (options.Output is not { } output)
            return network;
        using (network)
        {
            var names = network.Graph.Outputs.Select(value => value.Name).ToList();
            return names.Contains(output)
                ? ChooseOutput.Apply(network, output)
                : throw new InvalidDataException(
                    $"There is no output '{output}'; the outputs are {string.Join(", ", names.Select(name => $"'{name}'"))}.");
        }
    }

    private static bool IsPlainName(string external, string model) =>
        external.Length > 0
        && external.AsSpan().IndexOfAny("/\\:\0") < 0
        && external is not ("." or "..")
        && !(external.StartsWith(model, StringComparison.OrdinalIgnoreCase)
            && external[model.Length..] is "" or ".unfinished");

    /// <summary>Writes a network as an ONNX model to a stream.</summary>
    /// <param name="network">The network.</param>
    /// <param name="stream">The stream to write to; left open.</param>
    /// <param name="options">
    /// The options; null for the defaults. <see cref="OnnxSaveOptions.ExternalDataFile"/> must be null.
    /// </param>
    /// <exception cref="ArgumentException">The options are out of range, or ask for an external file.</exception>
    /// <exception cref="NotSupportedException">
    /// The opset cannot express the network, or does not define an operator on the element types of its inputs (the
    /// message names the node); or the network's tensors do not fit into one file.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The network has been disposed.</exception>
    public static void SaveOnnx(this Network network, Stream stream, OnnxSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(stream);
        options ??= new OnnxSaveOptions();
        if (options.ExternalDataFile is not null)
        {
            throw new ArgumentException(
                "ExternalDataFile needs a path to lie beside; save to a path.",
                nameof(options));
        }
        using var use = network.Use();
        OnnxWriter.Write(network, stream, options);
    }
}
