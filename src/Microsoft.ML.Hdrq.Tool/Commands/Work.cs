using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>What a command line asks for, once it is read and found to be right.</summary>
/// <param name="IsJson">Whether output is for programs.</param>
/// <param name="Run">Does it.</param>
internal sealed record Work(bool IsJson, Action<Session> Run);
