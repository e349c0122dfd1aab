namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What a command works with.</summary>
/// <param name="Output">Where it says what it does and gives.</param>
/// <param name="CancellationToken">Ends it.</param>
internal sealed record Session(Output Output, CancellationToken CancellationToken);
