using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>A part of a graph with one value going in and one coming out, which is reconstructed as a whole.</summary>
/// <param name="Name">The name of its first weighted layer.</param>
/// <param name="Nodes">Its nodes, in order.</param>
/// <param name="Input">The value that goes in.</param>
/// <param name="Output">The value that comes out.</param>
internal sealed record Block(string Name, ImmutableArray<GraphNode> Nodes, string Input, string Output);
