namespace SegmentationMerge.StreetScenes;

/// <summary>What a pixel of a street scene shows; the number is its value in masks.</summary>
internal enum StreetClass : byte
{
    Sky,
    Road,
    Pavement,
    Building,
    Tree,
    Car,
    Pedestrian,
    Pole,
}
