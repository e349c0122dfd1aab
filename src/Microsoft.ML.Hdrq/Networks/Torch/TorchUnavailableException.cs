namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// The native tensor library (libtorch) cannot be loaded in this process. The message names the cause and the remedy;
/// the loader's own exception is the <see cref="Exception.InnerException"/>.
/// </summary>
/// <remarks>
/// Training, quantizing, merging and scoring a network in memory need libtorch. A saved model scores in ONNX Runtime
/// and never throws this.
/// </remarks>
public sealed class TorchUnavailableException : InvalidOperationException
{
    /// <summary>Creates the exception without a stated cause.</summary>
    public TorchUnavailableException()
        : base("The native tensor library (libtorch) cannot be loaded.")
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">The cause and the remedy.</param>
    public TorchUnavailableException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">The cause and the remedy.</param>
    /// <param name="innerException">What the loader reported.</param>
    public TorchUnavailableException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
