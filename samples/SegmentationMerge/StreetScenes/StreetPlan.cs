namespace SegmentationMerge.StreetScenes;

/// <summary>The measures of a street, in metres.</summary>
/// <param name="RoadHalf">From the middle of the road to its edge.</param>
/// <param name="FrontHalf">From the middle of the road to the fronts of the buildings.</param>
internal readonly record struct StreetPlan(float RoadHalf, float FrontHalf);
