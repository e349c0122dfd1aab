namespace ImageClassificationMerge.TrafficSigns;

/// <summary>A class of signs.</summary>
/// <param name="Name">The class name, which is also its folder's name.</param>
/// <param name="Layers">What is painted, back to front.</param>
internal sealed record SignDesign(string Name, params SignLayer[] Layers);
