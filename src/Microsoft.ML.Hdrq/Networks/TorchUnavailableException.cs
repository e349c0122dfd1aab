namespace Microsoft.ML.Hdrq.Networks;

/// <summary>libtorch cannot be loaded on this machine; the message says why and what to do.</summary>
public sealed class TorchUnavailableException(string message, Exception? innerException = null) : Exception(message, innerException);
