namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>The label column that a step reads.</summary>
/// <param name="Name">The column.</param>
/// <param name="MaskShape">Height and width of masks; null if each image has one class, a key.</param>
/// <param name="Ignored">The value of a mask's pixels that have no class.</param>
/// <param name="Classes">
/// Which class of the network each value of the key stands for; null if its number does.
/// </param>
internal sealed record LabelColumn(string Name, long[]? MaskShape, byte Ignored, LabelClasses? Classes);
