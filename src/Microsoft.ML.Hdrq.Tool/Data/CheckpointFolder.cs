namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>
/// The folder beside the file of a network in which finished parts of the work on it are kept until it is written.
/// </summary>
internal static class CheckpointFolder
{
    /// <summary>The folder for a network.</summary>
    /// <param name="network">The network's file.</param>
    public static string Of(string network) => $"{network}.checkpoint";

    /// <summary>Deletes the folder, once the network is written.</summary>
    /// <param name="network">The network's file.</param>
    public static void Delete(string network)
    {
        try
        {
            if (Directory.Exists(Of(network)))
                Directory.Delete(Of(network), recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Another process may write the same network at the same time, and the network is there.
        }
    }
}
